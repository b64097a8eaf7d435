"""Papers' numbers, reproduced: targets as data, a runner that goes on, a page of what was found."""
