r"""The Dirac-GAN: the smallest game there is, whose dynamics are known in closed form.

Data are a point at 0, the generator a point at :math:`\theta`, the discriminator
:math:`D(x) = \psi x`; the equilibrium is (0, 0). What gradient descent does there tells whether a
game converges (Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML
2018, arXiv:1801.04406, section 2 and lemmas D.1 to D.4). All gradients come from the losses
themselves by autograd.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.games import Game
from ganloss.penalties import Critic, Penalty


@dataclass(frozen=True)
class DiracGAN:
    """A game on the Dirac-GAN.

    Args:
        game: pair and penalties; constraint and optimisers play no role.

    >>> from ganloss import GAMES
    >>> DiracGAN(GAMES["wgan"]).eigenvalues()
    tensor([0.-1.j, 0.+1.j], dtype=torch.complex128)
    """

    game: Game

    def losses(self, theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of the discriminator and of the generator at (theta, psi).

        >>> from ganloss import GAMES
        >>> zero = torch.zeros((), dtype=torch.float64)
        >>> [round(loss.item(), 4) for loss in DiracGAN(GAMES["ns"]).losses(zero, zero)]
        [1.3863, 0.6931]
        """
        pair, real, fake = self.game.pair, torch.zeros(1, 1).double(), theta.reshape(1, 1)
        critic = Critic(lambda x: psi * x)
        adversarial = pair.discriminator(real=critic(real), fake=critic(fake))
        penalties = {
            name: weighted.penalty(critic, real=real, fake=fake)
            for name, weighted in self.game.penalties.items()
            if isinstance(weighted.penalty, Penalty)
        }
        d_loss = self.game.discriminator_objective()(0, adv=adversarial, **penalties).total
        return d_loss, pair.generator(real=psi * real, fake=psi * fake)

    def field(self, point: Tensor) -> Tensor:
        """Direction in which simultaneous gradient descent moves (theta, psi), ``(2,)``.

        >>> from ganloss import GAMES
        >>> DiracGAN(GAMES["wgan"]).field(torch.tensor([1.0, 0.5], dtype=torch.float64)).tolist()
        [0.5, -1.0]
        """
        theta, psi = point.unbind()
        return torch.stack([self._theta_step(theta, psi), self._psi_step(theta, psi)])

    def _theta_step(self, theta: Tensor, psi: Tensor) -> Tensor:
        theta = theta.detach().requires_grad_(True)
        return -_slope(self.losses(theta, psi.detach())[1], theta)

    def _psi_step(self, theta: Tensor, psi: Tensor) -> Tensor:
        psi = psi.detach().requires_grad_(True)
        return -_slope(self.losses(theta.detach(), psi)[0], psi)

    def jacobian(self, step: float = 1e-4) -> Tensor:
        """Jacobian of the field at the equilibrium, by central differences, ``(2, 2)``.

        >>> from ganloss import GAMES
        >>> DiracGAN(GAMES["wgan"]).jacobian().round(decimals=6).tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
        """
        columns = [
            (self.field(step * axis) - self.field(-step * axis)) / (2 * step)
            for axis in torch.eye(2, dtype=torch.float64)
        ]
        return torch.stack(columns, 1)

    def eigenvalues(self) -> Tensor:
        """Eigenvalues of the Jacobian at the equilibrium, by imaginary part; complex ``(2,)``.

        A negative real part: training spirals in. Zero: it circles for ever, and any step size
        drives it out.
        """
        found = torch.linalg.eigvals(self.jacobian())
        return found[torch.argsort(found.imag + 1e-3 * found.real)]

    def trajectory(
        self,
        steps: int,
        *,
        lr: float = 0.1,
        start: tuple[float, float] = (1.0, 1.0),
        alternating: bool = False,
    ) -> Tensor:
        """Points (theta, psi) of gradient descent, ``(steps + 1, 2)``.

        Args:
            steps: number of updates of both players.
            lr: learning rate of both.
            start: first point.
            alternating: D moves first and G answers, as in practice; otherwise both at once.

        >>> from ganloss import GAMES
        >>> DiracGAN(GAMES["wgan"]).trajectory(2, lr=0.5).tolist()
        [[1.0, 1.0], [1.5, 0.5], [1.75, -0.25]]
        """
        theta, psi = (torch.tensor(value, dtype=torch.float64) for value in start)
        points = [torch.stack([theta, psi])]
        for _ in range(steps):
            new_psi = psi + lr * self._psi_step(theta, psi)
            seen = new_psi if alternating else psi
            theta = theta + lr * self._theta_step(theta, seen)
            psi = new_psi
            points.append(torch.stack([theta, psi]))
        return torch.stack(points)


def _slope(loss: Tensor, variable: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(loss, variable, allow_unused=True, materialize_grads=True)
    return slope
