"""Run the command line: `python -m ome_ngff`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="ome-ngff")
