"""From the bytes that a person uploads to checked records and a report about them.

Free of Django, so that a hostile file can be read in a small process of its own. What is found is told in codes and
numbers; datasets_app.wording.sentences words them in the reader's language.
"""
