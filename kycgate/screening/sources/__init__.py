"""Where screening lists come from: one plug-in a publisher's format."""
