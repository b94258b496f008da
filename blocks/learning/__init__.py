"""What is learnt from people: labels, memory, promises, calibration, measures. Plain, without SQL, web and Prefect."""
