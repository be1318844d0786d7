"""Tools of the documentation site: pages that are generated at build time, equations and figures."""
