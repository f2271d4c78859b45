"""OTHER PROGRAMS. A network as ONNX, as a `torch.export` program, as JSON for a browser, and as a folder in the Hub's layout."""
