"""The engine: runs phases, and owns everything around a loss except the loss."""
