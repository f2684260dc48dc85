/** With and without a title, in another script, twice the same text, and none. */
export const variedDocuments = [
  { id: "nile", title: "Nile", text: "The Nile flows north and reaches the sea in a wide delta." },
  { id: "amazon", text: "The Amazon carries more water than any other river." },
  { id: "everest", text: "Mount Everest grows a little every year. 山は高い。" },
  { id: "copy", text: "The Amazon carries more water than any other river." },
  { id: "empty", text: "" },
];

/** Documents of every kind: with a title and without, of another script, and empty. */
export const rivers = [
  { id: "nile", title: "Nile", text: "The Nile flows north and reaches the sea in a wide delta." },
  { id: "amazon", text: "The Amazon carries more water than any other river." },
  { id: "everest", text: "Mount Everest grows a little every year. 山は高い。" },
  { id: "empty", text: "" },
];
