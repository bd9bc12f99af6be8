"""``rlframework from-trl``: a script or a configuration of TRL as the YAML file of ``rlframework fit``."""
