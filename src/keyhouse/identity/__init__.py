"""Who a person is: passwords, sessions, and the throttle before them."""
