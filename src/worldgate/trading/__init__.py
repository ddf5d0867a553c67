"""Trading on paper: strategies run over bars, every order verified, every step recorded and recomputable."""
