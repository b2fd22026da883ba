"""What runs inside AWS Lambda: nothing here imports the rest of drctl, only what a function's package carries."""
