"""Which servers have a store open: the names under which they claim what they work on."""

from assistants_server.store import Store


def this_server(store: Store) -> str:
    """Return the name of the server that uses this store."""
    return store.owner


def living_servers(store: Store) -> set[str]:
    """Return the names of all servers that have the store open. A name is never used again."""
    with store.transaction():
        return store.living_owners()
