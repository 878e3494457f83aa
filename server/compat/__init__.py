"""The addresses of the older services that Lipstream takes the place of."""
