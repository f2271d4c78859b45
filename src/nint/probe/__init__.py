"""What a sampler may ask of the current network, what it costs, and the losses whose gradient it sees."""
