"""What all tests share: Hypothesis judges results, never speed; two busy cores are slow now and then."""

from hypothesis import HealthCheck, settings

settings.register_profile("rebox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rebox")
