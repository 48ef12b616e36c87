//! The one door to the world: clock, entropy, files, processes, network. Each port has a simulated twin.
