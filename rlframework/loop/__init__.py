"""The training loop: rollouts made and cut into minibatches inside Lightning's loop, logged and resumed."""
