"""What several views share: numbers on their way to the browser, and the drawing of planes of cells."""
