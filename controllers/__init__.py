from . import agent, proof
