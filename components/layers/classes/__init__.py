"""Operations over many classes: draws, similarity, softmax, and sweeps over all of them."""
