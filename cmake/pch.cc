// Nothing: this target exists to own the precompiled header.
