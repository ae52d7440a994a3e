// As much of a page as the script of the time travel uses; made from a tree of [tag, attributes, children].
class Node {
  constructor(tag) { this.tag = tag; this.attributes = {}; this.children = []; this.listeners = {}; this.parentElement = null; }
  append(...nodes) { for (const node of nodes) { if (node instanceof Node) node.parentElement = this; this.children.push(node instanceof Node ? node : String(node)); } }
  replaceChildren(...nodes) { this.children = []; this.append(...nodes); }
  get textContent() { return this.children.map((node) => (node instanceof Node ? node.textContent : node)).join(""); }
  set textContent(text) { this.children = [String(text)]; }
  getAttribute(name) { return this.attributes[name] ?? null; }
  setAttribute(name, text) { this.attributes[name] = String(text); }
  hasAttribute(name) { return name in this.attributes; }
  get all() { return this.children.filter((node) => node instanceof Node).flatMap((node) => [node, ...node.all]); }
  querySelectorAll(selector) {
    const part = /^\[data-part="(\w+)"\]$/.exec(selector);
    return this.all.filter((node) => (part ? node.getAttribute("data-part") === part[1] : node.tag === selector));
  }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
  addEventListener(name, call) { (this.listeners[name] ??= []).push(call); }
  fire(name, more = {}) { for (const call of this.listeners[name] ?? []) call({ target: this, preventDefault() {}, ...more }); }
}
const built = ([tag, attributes, children]) => {
  const node = new Node(tag);
  node.attributes = attributes;
  node.hidden = "hidden" in attributes;
  node.append(...children.map((child) => (typeof child === "string" ? child : built(child))));
  return node;
};
const window_ = new Node("window");
const addEventListener = (name, call) => window_.addEventListener(name, call);
const document = { currentScript: null, createElement: (tag) => new Node(tag) };
const location = { hash: "" };
const history = { replaceState: (state, title, address) => { location.hash = address; } };
const setTimeout = (call) => { call(); return 1; };
const clearTimeout = () => {};
let roots = [];
const open_page = (tree, hash) => {
  location.hash = hash;
  roots = built(tree).all.filter((node) => node.attributes.class === "c2lib-travel");
  return roots.length;
};
const start_script = (at) => { document.currentScript = roots[at].querySelectorAll("script")[1]; };
const seen = (at) => {
  const root = roots[at];
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const cells = (name) => part(name).children.map((row) => row.children.map((cell) => cell.textContent));
  return JSON.stringify({
    time: part("field").value, state: part("state").textContent, hash: location.hash, shown: !part("body").hidden,
    still: part("still").hidden ? "" : part("still").textContent, none: !part("none").hidden,
    facts: Object.fromEntries(part("facts").children.map((pair) => pair.children.map((one) => one.textContent))),
    changed: part("facts").children.filter((pair) => pair.children[1].className).map((pair) => pair.children[0].textContent),
    orders: cells("orders"), events: cells("events"), tags: [...new Set(root.all.map((node) => node.tag))].sort(),
    disabled: root.querySelectorAll("button").filter((node) => node.disabled).map((node) => node.getAttribute("data-to")),
  });
};
const drag = (at, moment) => { const slider = roots[at].querySelector('[data-part="slider"]'); slider.value = String(moment); slider.fire("input"); };
const write = (at, text) => { roots[at].querySelector('[data-part="field"]').value = text; };
const type = (at, text) => { write(at, text); roots[at].querySelector('[data-part="field"]').fire("change"); };
const press = (at, to) => roots[at].querySelectorAll("button").find((node) => node.getAttribute("data-to") === to).fire("click");
const key = (at, name, part) => roots[at].fire("keydown", { key: name, target: part ? roots[at].querySelector(`[data-part="${part}"]`) : roots[at] });
const happen = (name) => window_.fire(name);
const address = (hash) => { location.hash = hash; window_.fire("hashchange"); };
