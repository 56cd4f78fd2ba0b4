"""Virtual meters and towns that speak the real protocol. The product never imports this package."""
