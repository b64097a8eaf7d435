"""Drawings of networks: `graph` says what is drawn, `layout` where, `picture` how."""
