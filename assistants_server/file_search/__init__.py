"""File search: vector stores whose files are read, cut into passages, and found by their words."""

from assistants_server.file_search.answers import VectorStore, VectorStoreFileBatch
from assistants_server.file_search.library import Library
from assistants_server.file_search.passage_search import Hit
from assistants_server.file_search.ranking import telling
