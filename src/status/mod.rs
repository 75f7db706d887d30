//! How the cluster is, in one sentence, from facts. Pure.
