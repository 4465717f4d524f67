"""The fuzzer, run by ``make fuzz``: valid and odd requests made from the server's own schema."""
