"""Train implicit neural representations fast by choosing which coordinates to train on."""
