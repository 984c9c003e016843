"""The geometry and light of the shapes world: a small ray caster for one convex object in a room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

FIELD_OF_VIEW = math.radians(48.4)
DISTANCE, HEIGHT, PITCH = 5.06, 1.56, math.radians(1.07)
"""Camera: distance from the object's axis, height over the floor, downward tilt. Lengths are in cube edges
at the smallest scale."""

ROOM, WALL = 6.4, 3.7
"""Half the room's width, and the height of its walls."""

LAMP = (-0.27, 0.10, 0.96)
"""Direction towards the lamp that casts the shadow; a second light comes from the camera."""


class Vector(NamedTuple):
    """Three coordinates: x to the right, y away from the camera at orientation 0, z up. Tensors broadcast."""

    x: Tensor
    y: Tensor
    z: Tensor

    def dot(self, other: Vector) -> Tensor:
        """Scalar product."""
        return self.x * other.x + self.y * other.y + self.z * other.z

    def along(self, direction: Vector, t: Tensor) -> Vector:
        """The point at `t` times `direction` from here."""
        return Vector(self.x + t * direction.x, self.y + t * direction.y, self.z + t * direction.z)


class Hit(NamedTuple):
    """Where rays enter a body: `there` says which do, `t` how far along the ray, `normal` at that point."""

    there: Tensor
    t: Tensor
    normal: Vector


def trace(scales: Sequence[float], shapes: Sequence[str], angles: Sequence[float], side: int, samples: int) -> Tensor:
    """The share of floor, wall, object, highlight and sky in every pixel.

    Args:
        scales: Sizes of the object.
        shapes: Of "cube", "cylinder", "sphere", "capsule".
        angles: How far the camera has gone around the object, radians, to the right if positive.
        side: Image side in pixels.
        samples: Rays per pixel and direction.

    Returns:
        [scales, shapes, angles, 5, side²] float32 in [0, 1].
    """
    origin, rays, forward = camera(angles, side * samples)
    lamp = vector(LAMP)
    floor, wall, sky, ground = room(origin, rays, forward)
    views = []
    for scale in scales:
        for shape in shapes:
            dark = body(shape, scale, ground, lamp).there
            hit = body(shape, scale, origin, rays)
            diffuse, highlight = shade(hit.normal, rays, forward, lamp)
            shares = [
                torch.where(hit.there, 0, torch.where(dark, 0.34 * (floor > 0), floor)),
                torch.where(hit.there, 0, wall),
                torch.where(hit.there, diffuse, 0),
                torch.where(hit.there, highlight, 0),
                torch.where(hit.there, 0, sky),
            ]
            stacked = torch.stack(shares, dim=1).reshape(len(angles), 5, side * samples, side * samples)
            views.append(torch.nn.functional.avg_pool2d(stacked, samples).flatten(2))
    return torch.stack(views).reshape(len(scales), len(shapes), len(angles), 5, side**2)


def camera(angles: Sequence[float], side: int) -> tuple[Vector, Vector, Vector]:
    """Position [A, 1], ray directions [A, side²] and viewing direction [A, 1] of a camera at each of `angles`."""
    angle = torch.tensor(angles).unsqueeze(1)
    steps = ((torch.arange(side) + 0.5) / side * 2 - 1) * math.tan(FIELD_OF_VIEW / 2)
    up, right = torch.meshgrid(-steps, steps, indexing="ij")
    up, right = up.reshape(1, -1), right.reshape(1, -1)
    ahead = math.cos(PITCH) + up * math.sin(PITCH)
    rise = up * math.cos(PITCH) - math.sin(PITCH)

    def turned(x: Tensor, y: Tensor, z: Tensor) -> Vector:
        return Vector(angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y, z)

    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    length = (right.square() + ahead.square() + rise.square()).sqrt()
    return (
        turned(zero, -DISTANCE * one, HEIGHT * one),
        turned(right / length, ahead / length, rise / length),
        turned(zero, math.cos(PITCH) * one, -math.sin(PITCH) * one),
    )


def room(origin: Vector, rays: Vector, forward: Vector) -> tuple[Tensor, Tensor, Tensor, Vector]:
    """Light on floor and walls, and whether the sky is seen, each [A, R], and the point of the floor hit."""
    back = (ROOM - origin.y) / rays.y
    flank = (torch.sign(rays.x) * ROOM - origin.x) / rays.x
    behind = torch.where(back > 0, back, math.inf)
    t = torch.minimum(behind, flank)
    point = origin.along(rays, t)
    ground = origin.along(rays, -origin.z / rays.z)
    below, above = point.z < 0, point.z > WALL
    # The light of the camera on the back wall, and on the left or the right one.
    facing = torch.where(behind < flank, forward.y, forward.x.abs())
    wall = 0.45 + 0.5 * facing.clamp(min=0) + 0.15 * fading(point)
    floor = 0.34 + 0.85 * fading(Vector(ground.x, ground.y, torch.zeros(())))
    return (
        torch.where(below, floor.clamp(max=1), 0),
        torch.where(below | above, 0, wall.clamp(max=1)),
        above.float(),
        ground,
    )


def fading(point: Vector) -> Tensor:
    """How much of the lamp's light reaches a point of the room: less, the further it is to the right."""
    return 1 / (1 + ((point.x + 3).square() + point.y.square() + point.z.square()) / 36)


def shade(normal: Vector, rays: Vector, forward: Vector, lamp: Vector) -> tuple[Tensor, Tensor]:
    """Diffuse light (Lambert) and white highlight (Blinn and Phong) of the object, in [0, 1]."""
    lit = normal.dot(lamp)
    diffuse = 0.52 - 0.43 * normal.dot(forward).clamp(max=0) + 0.7 * lit.clamp(min=0)
    half = Vector(lamp.x - rays.x, lamp.y - rays.y, lamp.z - rays.z)
    shine = (normal.dot(half) / half.dot(half).sqrt()).clamp(min=0)
    return diffuse.clamp(max=1), torch.where(lit > 0, 0.13 * shine.square(), 0)


def body(shape: str, scale: float, origin: Vector, ray: Vector) -> Hit:
    """Where rays enter a shape that stands on the floor at the origin."""
    if shape == "cube":
        return box(scale * 2 / 3, origin, ray)
    if shape == "cylinder":
        return cylinder(scale * 0.74, scale * 1.45, origin, ray)
    radius, height = {"sphere": (0.85, 1.70), "capsule": (0.65, 2.60)}[shape]
    return capsule(scale * radius, scale * height, origin, ray)


def box(half: float, origin: Vector, ray: Vector) -> Hit:
    """A cube of edge 2·`half`."""
    centred = Vector(origin.x, origin.y, origin.z - half)
    near, far = zip(*(slab(half, o, d) for o, d in zip(centred, ray, strict=True)), strict=True)
    enter = torch.maximum(torch.maximum(near[0], near[1]), near[2])
    leave = torch.minimum(torch.minimum(far[0], far[1]), far[2])
    normal = Vector(*(-torch.sign(d) * (n == enter) for d, n in zip(ray, near, strict=True)))
    return Hit((enter < leave) & (enter > 0), enter, normal)


def cylinder(radius: float, height: float, origin: Vector, ray: Vector) -> Hit:
    """An upright cylinder."""
    side, out, meets = tube(radius, origin, ray)
    low, high = slab(height / 2, origin.z - height / 2, ray.z)
    enter, leave = torch.maximum(side, low), torch.minimum(out, high)
    point = origin.along(ray, enter)
    flat = low > side
    normal = Vector(
        torch.where(flat, 0, point.x / radius),
        torch.where(flat, 0, point.y / radius),
        torch.where(flat, -torch.sign(ray.z), 0),
    )
    return Hit(meets & (enter < leave) & (enter > 0), enter, normal)


def capsule(radius: float, height: float, origin: Vector, ray: Vector) -> Hit:
    """An upright cylinder between two half balls; a ball if `height` is 2·`radius`."""
    low, high = radius, height - radius
    side, _, meets = tube(radius, origin, ray)
    z = origin.z + side * ray.z
    enter = torch.where(meets & (z >= low) & (z <= high), side, math.inf)
    for centre in (low, high):
        enter = torch.minimum(enter, ball(radius, centre, origin, ray))
    point = origin.along(ray, torch.where(enter.isfinite(), enter, 0))
    normal = Vector(point.x / radius, point.y / radius, (point.z - point.z.clamp(low, high)) / radius)
    return Hit(enter.isfinite() & (enter > 0), enter, normal)


def slab(half: float, origin: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
    """Where a coordinate of the ray enters and leaves [-half, half]."""
    step, centre = half / ray.abs(), -origin / ray
    return centre - step, centre + step


def tube(radius: float, origin: Vector, ray: Vector) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays enter and leave an endless upright tube, and whether they meet it."""
    a = ray.x.square() + ray.y.square()
    b = origin.x * ray.x + origin.y * ray.y
    root = b.square() - a * (origin.x.square() + origin.y.square() - radius**2)
    reach = root.clamp(min=0).sqrt()
    return (-b - reach) / a, (-b + reach) / a, root > 0


def ball(radius: float, centre: float, origin: Vector, ray: Vector) -> Tensor:
    """Where unit rays enter a ball on the axis at height `centre`; infinite where they miss it."""
    from_centre = Vector(origin.x, origin.y, origin.z - centre)
    b = from_centre.dot(ray)
    root = b.square() - from_centre.dot(from_centre) + radius**2
    return torch.where(root > 0, -b - root.clamp(min=0).sqrt(), math.inf)


def vector(values: Sequence[float]) -> Vector:
    """A unit vector."""
    length = math.hypot(*values)
    return Vector(*(torch.tensor(value / length) for value in values))
