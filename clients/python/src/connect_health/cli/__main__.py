"""`python -m connect_health.cli`"""

from connect_health.cli import main

main()
