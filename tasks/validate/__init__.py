"""From readings to typed values, reasons and a verdict."""
