"""How people get into a class and out of it: by its code, by approval, from its roster, by a group."""
