"""How times are written where Django chooses."""
