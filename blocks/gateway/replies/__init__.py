"""What a model answered is judged here before anything of it is believed."""
