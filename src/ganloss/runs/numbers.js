// Numbers as people read them, and where to write them beside a logarithmic axis.
const english = value => value.toLocaleString("en");
const short = value => Math.abs(value) >= 100 ? english(Math.round(value)) : String(Number(value.toPrecision(3)));

// Round numbers between two whose quotient is small: powers of ten would be too far apart.
function closeTicks(low, high) {
  const rough = (high - low || low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => 1.01 * factor * power >= rough), found = [];
  for (let i = Math.max(1, Math.floor(low / step)); i <= Math.ceil(high / step); i++) found.push(Number((i * step).toPrecision(6)));
  return found;
}

function ticks(values) {
  const low = Math.min(...values), high = Math.max(...values), decades = Math.log10(high / low);
  let found = [];
  if (decades < 0.6) found = closeTicks(low, high);
  else for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power++)
    for (const step of decades < 2 ? [1, 2, 5] : decades < 4 ? [1, 3] : [1]) found.push(Number((step * 10 ** power).toPrecision(3)));
  return { tickvals: found, ticktext: found.map(value => value >= 1e6 || value < 1e-3 ? value.toExponential(0) : english(value)) };
}
