"""Operations with their gradient rules, one file a topic."""
