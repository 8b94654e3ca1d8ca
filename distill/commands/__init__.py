"""One module per subcommand of `icl-distill`."""
