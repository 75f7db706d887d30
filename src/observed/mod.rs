//! What hosts really are: plain facts, as agents tell them. Pure.
