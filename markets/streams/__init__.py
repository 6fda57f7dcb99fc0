"""Order books kept from both venues' sockets.

`books` and the sessions are pure: frames in, frames out, no network and no clock. `running` holds all that waits;
`desk` all that touches the database.
"""
