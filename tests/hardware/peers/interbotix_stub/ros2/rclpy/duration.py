class Duration:
    def __init__(self, seconds=0.0, nanoseconds=0):
        self.seconds = seconds + nanoseconds / 1e9

    def to_msg(self):
        return self.seconds
