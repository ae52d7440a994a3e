// Shows a run at one of its moments. Each fact holds its changes alone: [the moments, the values]; the value at a
// moment is that of the last change up to it. Texts of the run become text nodes, never markup.
(() => {
  "use strict";
  // several outputs can stand on a page: this one is found by its script, not by an id
  const root = document.currentScript.parentElement;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const data = JSON.parse(part("moments").textContent);
  const [slider, field, state] = ["slider", "field", "state"].map(part);
  const end = data.events.length - data.earlier - 1;
  const inAddress = root.hasAttribute("data-address");
  if (end < 0) {
    part("still").textContent = "The log has no event that keeps c2lib's contract.";
    return;
  }
  let now = end;
  let timer = 0;

  const valueAt = ([moments, values], moment) => {
    let low = 0;
    let high = moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (moments[middle] <= moment) low = middle + 1;
      else high = middle;
    }
    return low ? values[low - 1] : null;
  };
  const eventAt = (moment) => data.events[moment + data.earlier];
  const momentOf = (time) => {
    let moment = end;
    while (moment > 0 && eventAt(moment)[0] > time) moment -= 1;
    return moment;
  };

  const made = (tag, ...children) => {
    const node = document.createElement(tag);
    node.append(...children);
    return node;
  };
  const row = (values) => made("tr", ...values.map((value) => made("td", value ?? "–")));
  const words = ([, kind, ...values]) =>
    data.kinds[kind].slice(1).map((name, at) => [name, values[at]])
      .filter(([, value]) => value !== null).map(([name, value]) => `${name} ${value}`).join(", ");

  const show = (moment) => {
    const [time, kind] = eventAt(moment);
    slider.value = String(moment);
    slider.setAttribute("aria-valuetext", `ts_sim ${time}, ${data.kinds[kind][0]}`);
    field.value = String(time);
    state.textContent = `After ${data.kinds[kind][0]}, moment ${moment + 1} of ${end + 1}`;
    part("facts").replaceChildren(...Object.entries(data.facts).map(([name, changes]) => {
      const value = valueAt(changes, moment);
      const shown = made("dd", value ?? "–");
      // what this event changed stands out
      if (moment && value !== valueAt(changes, moment - 1)) shown.className = "changed";
      return made("div", made("dt", name), shown);
    }));
    const open = data.orders.map(([terms, ...changes]) => [valueAt(changes, moment), terms]).filter(([is]) => is);
    part("orders").replaceChildren(...open.map(([[status, left], [name, side, quantity, ...others]]) =>
      row([name, side, `${left} of ${quantity}`, ...others, status])));
    part("none").hidden = open.length > 0;
    const events = data.events.slice(Math.max(moment + data.earlier - 7, 0), moment + data.earlier + 1).reverse();
    part("events").replaceChildren(...events.map((event) => row([event[0], data.kinds[event[1]][0], words(event)])));
    for (const button of root.querySelectorAll("button")) button.disabled = target(button, moment) === undefined;
  };

  // a button leads to the moment before or after, or to the next one of its list
  const target = (button, moment) => {
    const name = button.getAttribute("data-to");
    if (name === "previous") return moment > 0 ? moment - 1 : undefined;
    if (name === "next") return moment < end ? moment + 1 : undefined;
    return data.jumps[name].find((one) => one > moment);
  };
  const go = (moment) => {
    if (!(moment >= 0 && moment <= end)) return;
    now = moment;
    show(now);
    if (!inAddress) return;
    // browsers refuse an address that changes too often, as it would while the slider is drawn
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(null, "", `#t=${eventAt(now)[0]}`), 250);
  };
  const readAddress = () => {
    const found = /^#t=([0-9]{1,15})$/.exec(location.hash);
    now = found ? momentOf(Number(found[1])) : now;
    show(now);
  };

  slider.max = String(end);
  slider.addEventListener("input", () => go(Number(slider.value)));
  const readField = () => {
    const time = field.value.replace(/[ ,_]/g, "");
    if (/^[0-9]{1,15}$/.test(time)) go(momentOf(Number(time)));
    else show(now);
  };
  field.addEventListener("change", readField);
  for (const button of root.querySelectorAll("button")) {
    button.addEventListener("click", () => go(target(button, now)));
  }
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.target === field) {
      if (event.key === "Enter") readField();
    } else if (step) {
      // JupyterLab takes the arrows from the slider, so that this is done for the slider as well
      event.preventDefault();
      go(now + step);
    }
  });
  // paper shows how the run ended
  addEventListener("beforeprint", () => show(end));
  addEventListener("afterprint", () => show(now));
  if (inAddress) addEventListener("hashchange", readAddress);

  part("still").hidden = true;
  part("body").hidden = false;
  if (inAddress) readAddress();
  else show(now);
})();
