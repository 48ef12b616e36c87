//! What the plan needs to know of a directed graph: order, loops, reach. Nodes are numbers in the
//! document's order, so every answer is the same for the same document.
