"""`python -m kycgate` is the `kycgate` command."""

from kycgate.cli import main

raise SystemExit(main())
