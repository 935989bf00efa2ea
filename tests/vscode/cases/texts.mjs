// Texts of files that several cases use.

export const scales = `def scale(values, factor):
    return [value * factor for value in values]


def largest(values):
    best = values[0]
    for value in values:
        if value > best:
            best = value
    return best
`;
