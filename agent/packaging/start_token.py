"""Entry point of the child for libraries of another machine (32-bit drivers): it takes no argument."""

from ibhxh_agent.tokens import worker

if __name__ == "__main__":
    worker.main()
