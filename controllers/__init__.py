from . import agent, installer, proof
