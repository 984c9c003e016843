const facts = await (await fetch("api/lines.json")).json();
document.getElementById("line").textContent = facts.model;
