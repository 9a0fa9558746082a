/** Efforts that are proposed, from a first look to a search of weeks; 1 is usual. */
const [least, most] = [0.01, 64]

/**
 * The largest effort whose search takes at most so many seconds; the least one, if even that takes longer.
 * @param secondsAt  seconds of a search at an effort; grows with it
 */
export async function fittingScale(seconds: number, secondsAt: (scale: number) => Promise<number>): Promise<number> {
  let [low, high] = [least, most]
  if ((await secondsAt(high)) <= seconds) return high
  // A factor of 64 x 100, halved on a logarithmic scale, to within 2 %.
  for (let i = 0; i < 9; i++) {
    const middle = Math.sqrt(low * high)
    if ((await secondsAt(middle)) <= seconds) low = middle
    else high = middle
  }
  return low
}
