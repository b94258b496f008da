"""What is learnt from decisions: memory, promises, calibration, measures. Plain, without SQL."""
