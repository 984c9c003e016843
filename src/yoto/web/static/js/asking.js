// Choosing one number by eye without a server: the questions that `yoto select --ask` puts about a model's one parameter.

const ALL = 7; // questions
const PLACES = 201;
const LAPSE = 0.08; // how often an answer is taken to be a slip

/** Where along [0, 1] the favourite lies, by what is believed of each place: its median, and how wide it is. */
function believed(places, belief) {
  let total = 0;
  const at = belief.findIndex((share) => (total += share) >= 0.5);
  const mean = places.reduce((sum, place, i) => sum + place * belief[i], 0);
  const width = Math.sqrt(places.reduce((sum, place, i) => sum + (place - mean) ** 2 * belief[i], 0));
  return { median: places[at < 0 ? PLACES - 1 : at], width };
}

/** The next two places: on both sides of the median, as far apart as what is believed is wide. */
function pairOf(places, belief) {
  const { median, width } = believed(places, belief);
  const half = Math.max(0.04, width);
  return [Math.max(0, median - half), Math.min(1, median + half)];
}

/**
 * The next question after some answers ("first", "second", "same"), as the server puts it.
 * @param along {name, low, high} of the parameter, on a logarithmic scale
 * @returns {number, total, pair: two points or null after the last question, found: the favourite so far}
 */
export function question({ name, low, high }, answers) {
  const point = (place) => ({ [name]: low * (high / low) ** place });
  const places = Array.from({ length: PLACES }, (_, i) => i / (PLACES - 1));
  let belief = places.map(() => 1 / PLACES);
  let favourite = 0.5;
  for (const answer of answers) {
    const [first, second] = pairOf(places, belief);
    const [middle, half] = [(first + second) / 2, (second - first) / 2];
    const weighed = places.map((place, i) => {
      const lean = Math.tanh((middle - place) / (0.5 * half)); // 1 where the first is surely nearer
      const same = LAPSE + (1 - LAPSE) * (1 - lean * lean);
      return belief[i] * (answer === "same" ? same : LAPSE / 2 + (1 - LAPSE) * (0.5 + 0.5 * (answer === "first" ? lean : -lean)));
    });
    const total = weighed.reduce((sum, share) => sum + share, 0);
    belief = weighed.map((share) => share / total);
    favourite = believed(places, belief).median;
  }
  const pair = answers.length < ALL ? pairOf(places, belief).map(point) : null;
  return { number: answers.length + 1, total: ALL, pair, found: point(favourite) };
}
