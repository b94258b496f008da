"""What is learnt from decisions: promises, calibration, measures. Plain, without SQL."""
