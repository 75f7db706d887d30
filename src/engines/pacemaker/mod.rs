//! Corosync and Pacemaker: spec to corosync.conf and CIB, their state to facts.
