// submit() sends a form, with which a page of lures.html attacks the guestbook.
function submit(method, action, fields, enctype = "application/x-www-form-urlencoded") {
  const form = Object.assign(document.createElement("form"), { method, action, enctype });
  for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
  document.documentElement.append(form);
  form.submit();
}
